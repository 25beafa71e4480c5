"""``sesstore import``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from .matching import say_import
from .options import EMBEDDING_FORMATS, output_options, store_option
from .output import Output
from .stores import store_to_write


@click.command("import")
@click.argument("format_name", metavar="FORMAT", type=click.Choice(EMBEDDING_FORMATS))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--sequences",
    required=True,
    type=click.Path(path_type=Path),
    help="FASTA with the sequences the embeddings are of.",
)
@click.option("--encoder", required=True, help="What made them, such as prot_t5_xl_u50.")
@click.option("--layer", type=int, help="Which layer they are of; fairesm needs it.")
@click.option(
    "--dtype",
    type=click.Choice(["float16", "float32", "int8"]),
    default="float16",
    show_default=True,
    help="How values are stored.",
)
@click.option("--licence", default="", help="Licence of the encoder's weights.")
@click.option("--citation", default="", help="What to cite for the encoder.")
@store_option
@output_options
def command(
    format_name: str,
    files: tuple[Path, ...],
    sequences: Path,
    encoder: str,
    layer: int | None,
    dtype: str,
    licence: str,
    citation: str,
    store_path: Path,
    output: Output,
) -> None:
    """Store embeddings that other tools computed.

    FORMAT is one of uniprot, bio_embeddings, biotrainer (HDF5), fairesm (folder of .pt), scikit-bio
    (HDF5) and npy (folder). Each record is matched to a sequence by id or hash, never guessed, and
    its length is checked; what does not fit is listed and left out (exit status 1). The encoder is
    what you say it is, and marked as imported. Labels and tokens come in by `sesstore add`.

    \b
    Example:
      sesstore import uniprot per-residue.h5 --sequences UP000000625.fasta.gz \\
          --encoder prot_t5_xl_u50 --licence MIT
      sesstore import fairesm out/ --sequences some.fasta --encoder esm2_t33 --layer 33
    """
    from sesstore.datasets.fasta import read_fasta
    from sesstore.exchange.formats import declare_provenance, format_named, read_files
    from sesstore.exchange.imported_embeddings import SequenceBook, import_embeddings
    from sesstore.store import layout

    import_format = format_named(format_name)
    proteins = list(read_fasta(sequences))
    book = SequenceBook(proteins)
    dim, records = read_files(files, import_format, book, layer)
    provenance = declare_provenance(
        encoder, import_format, dim, dtype=dtype, layer=layer, licence=licence, citation=citation
    )
    store = store_to_write(store_path, output)
    report = import_embeddings(store, records, book, provenance, progress=output)
    report.write_unmatched(
        store.path / layout.EMBEDDINGS / f"{layout.encoder_folder(provenance)}.unmatched.tsv"
    )
    output.line(
        f"{report.encoder} {report.fingerprint} (imported): {report.imported:,} stored, "
        f"{report.already_stored:,} already there, {len(report.refused):,} refused, "
        f"{len(report.unmatched):,} of no given sequence, {len(report.missing):,} sequences "
        f"without a record"
    )
    say_import(report, proteins[0].id, output)
    output.result(asdict(report))
    if report.refused or report.unmatched:
        raise click.exceptions.Exit(1)
