from itertools import islice

from django.db import migrations, router

SERVER, ENGINE = "visualsnoop_server", "visualsnoop_engine"
COLUMNS = (
    *("first_key", "second_key", "first_id", "second_id"),
    *("first_digest", "second_digest", "created"),
)
#: Number of rows inserted together.
TOGETHER = 500


def move_to_engine(apps, schema_editor):
    _copy(apps, schema_editor.connection.alias, SERVER, ENGINE)


def move_to_server(apps, schema_editor):
    using = schema_editor.connection.alias
    marks = apps.get_model(ENGINE, "NotDuplicate").objects.using(using)
    # If they stayed, marks that the server removes now would come back later.
    for engine_id in _copy(apps, using, ENGINE, SERVER):
        marks.filter(collection_id=engine_id).delete()


def _copy(apps, using, source, target):
    """Copy the marks of the server's collections; return these collections' ids in the source."""
    if not router.allow_migrate_model(using, apps.get_model(ENGINE, "NotDuplicate")):
        return []  # The server has no images here, as it uses one database for both.
    old, new = (apps.get_model(app, "NotDuplicate").objects.using(using) for app in (source, target))
    # On SQLite, begin with a write: after a read, it would fail if another process has written.
    new.filter(pk=0).update(first_id="")
    hosted = apps.get_model(SERVER, "HostedCollection").objects.using(using)
    server_ids = {f"{SERVER}/{pk}": pk for pk in hosted.values_list("pk", flat=True)}
    collections = apps.get_model(ENGINE, "Collection").objects.using(using)
    new_ids = {}
    for name, engine_id in collections.values_list("name", "pk").iterator():
        if name in server_ids:
            ids = {SERVER: server_ids[name], ENGINE: engine_id}
            new_ids[ids[source]] = ids[target]
    rows = old.order_by("pk").values_list("collection_id", *COLUMNS).iterator()
    created = new.model._meta.get_field("created")
    created.auto_now_add = False  # Keep the times.
    try:
        while some := list(islice(rows, TOGETHER)):
            # MariaDB does not roll back changes of tables, so this may run again.
            new.bulk_create(
                [
                    new.model(collection_id=new_ids[old_id], **dict(zip(COLUMNS, row)))
                    for old_id, *row in some
                    if old_id in new_ids
                ],
                ignore_conflicts=True,
            )
    finally:
        created.auto_now_add = True
    return list(new_ids)


class Migration(migrations.Migration):
    dependencies = [
        ("visualsnoop_server", "0009_kept_group"),
        ("visualsnoop_engine", "0008_not_duplicate"),
    ]

    operations = [
        migrations.RunPython(move_to_engine, move_to_server, hints={"model_name": "notduplicate"}),
        migrations.DeleteModel("NotDuplicate"),
    ]
