"""The bundled demonstration: real PDB chains and the burial task."""
