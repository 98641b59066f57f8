from django.db import migrations, models


class Migration(migrations.Migration):
    # The columns and the table keep their names: while a deploy is rolling, processes of the
    # version before still use them.

    dependencies = [
        ('visualsnoop_server', '0004_invitation'),
    ]

    operations = [
        migrations.AlterField(
            model_name='hostedcollection',
            name='keeps',
            field=models.CharField(choices=[('nothing', 'No pictures, only their ids'), ('thumbnails', 'Small pictures'), ('originals', 'Small pictures and the original files')], db_column='keeps', db_default='nothing', default='nothing', max_length=10, verbose_name='retained of each picture'),
        ),
        migrations.RenameField(
            model_name='hostedcollection',
            old_name='keeps',
            new_name='retention',
        ),
        migrations.AlterField(
            model_name='key',
            name='sealed_secret',
            field=models.TextField(db_column='sealed_secret', editable=False),
        ),
        migrations.RenameField(
            model_name='key',
            old_name='sealed_secret',
            new_name='encrypted_secret',
        ),
        migrations.AlterField(
            model_name='key',
            name='paid_until',
            field=models.BigIntegerField(db_column='paid_until', default=0, editable=False),
        ),
        migrations.RenameField(
            model_name='key',
            old_name='paid_until',
            new_name='requests_used_until',
        ),
        migrations.AlterField(
            model_name='key',
            name='bytes_paid_until',
            field=models.BigIntegerField(db_column='bytes_paid_until', db_default=0, default=0, editable=False),
        ),
        migrations.RenameField(
            model_name='key',
            old_name='bytes_paid_until',
            new_name='bytes_used_until',
        ),
        migrations.AlterModelTable(
            name='outcome',
            table='visualsnoop_server_outcome',
        ),
        migrations.RenameModel(
            old_name='Outcome',
            new_name='StoredResponse',
        ),
    ]
