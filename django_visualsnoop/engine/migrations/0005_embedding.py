import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table, the columns and the index keep their names: while a deploy is rolling, processes
    # of the version before still use them.

    dependencies = [
        ('visualsnoop_engine', '0004_blocks'),
    ]

    operations = [
        migrations.AlterModelTable(
            name='block',
            table='visualsnoop_engine_block',
        ),
        migrations.RenameModel(
            old_name='Block',
            new_name='VectorBlock',
        ),
        migrations.AlterField(
            model_name='vectorblock',
            name='collection',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='vector_blocks', to='visualsnoop_engine.collection'),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='collection',
                    name='blocks_claimed',
                    field=models.BigIntegerField(db_column='blocks_claimed', db_default=0, default=0, editable=False),
                ),
                migrations.RenameField(
                    model_name='collection',
                    old_name='blocks_claimed',
                    new_name='blocks_leased_at',
                ),
                migrations.RemoveIndex(
                    model_name='indexedimage',
                    name='visualsnoop_engine_looks',
                ),
                migrations.AlterField(
                    model_name='indexedimage',
                    name='looks',
                    field=models.BinaryField(db_column='looks', default=None, null=True),
                ),
                migrations.RenameField(
                    model_name='indexedimage',
                    old_name='looks',
                    new_name='embedding',
                ),
                migrations.AlterField(
                    model_name='indexedimage',
                    name='looks_digest',
                    field=models.CharField(db_column='looks_digest', db_default='', default='', max_length=64),
                ),
                migrations.RenameField(
                    model_name='indexedimage',
                    old_name='looks_digest',
                    new_name='embedding_digest',
                ),
                migrations.AlterField(
                    model_name='indexedimage',
                    name='looks_of',
                    field=models.CharField(db_column='looks_of', db_default='', default='', max_length=16),
                ),
                migrations.RenameField(
                    model_name='indexedimage',
                    old_name='looks_of',
                    new_name='embedding_model',
                ),
                migrations.AddIndex(
                    model_name='indexedimage',
                    index=models.Index(fields=['collection', 'embedding_model', 'id'], name='visualsnoop_engine_looks'),
                ),
            ],
        ),
    ]
