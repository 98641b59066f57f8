"""An expression for a column whose values were computed outside the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F, Func

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field
    from django.db.models.sql.compiler import SQLCompiler


class ValueByKey(Func):
    """``CASE pk WHEN key THEN value … END``; ``NULL`` for any other key.

    Django's own ``Case`` resolves one condition object per row; from a few hundred rows on, this
    takes longer than the query itself.

    Args:
        values: pairs of a primary key and its number, text or ``None``.
        output_field: the field of the values.
    """

    def __init__(
        self, values: tuple[tuple[Any, float | str | None], ...], *, output_field: Field[Any, Any]
    ) -> None:
        super().__init__(F("pk"), output_field=output_field)
        self.values = values

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[Any, ...]]:
        (key,) = self.get_source_expressions()
        column, column_params = compiler.compile(key)
        params: list[Any] = list(column_params)
        arms = []
        for value, told in self.values:
            if told is None:
                continue
            params.append(key.output_field.get_db_prep_value(value, connection))
            if isinstance(told, str):
                params.append(told)
                arms.append("WHEN %s THEN %s")
            else:
                # A literal, not a parameter: the value is our own number, and keeps its type.
                arms.append(f"WHEN %s THEN {told!r}")
        if not arms:
            return "NULL", ()
        return f"CASE {column} {' '.join(arms)} END", tuple(params)
