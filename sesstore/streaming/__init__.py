"""Plans of epochs, and packed batches read from a store."""
