from django.db import migrations, models


class Migration(migrations.Migration):
    # The column keeps its name: while a deploy is rolling, processes of the version before still
    # write to it.

    dependencies = [
        ('visualsnoop', '0003_sweep_run'),
    ]

    operations = [
        migrations.AlterField(
            model_name='syncrecord',
            name='wished_at',
            field=models.DateTimeField(db_column='wished_at'),
        ),
        migrations.RenameField(
            model_name='syncrecord',
            old_name='wished_at',
            new_name='requested_at',
        ),
    ]
