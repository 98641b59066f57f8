import django.core.validators
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
        migrations.AlterField(
            model_name='hostedcollection',
            name='bytes_per_day',
            field=models.PositiveBigIntegerField(blank=True, help_text='Highest number of uploaded bytes per key and day. If empty, there is no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='hostedcollection',
            name='max_images',
            field=models.PositiveIntegerField(blank=True, help_text='Highest number of images. If empty, there is no limit.', null=True),
        ),
        migrations.AlterField(
            model_name='hostedcollection',
            name='min_similarity',
            field=models.FloatField(blank=True, help_text="From 0 to 1. Searches return only pictures with at least this similarity. If empty, the server's default.", null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='hostedcollection',
            name='requests_per_minute',
            field=models.PositiveIntegerField(blank=True, help_text='Highest number of requests per key and minute. If empty, there is no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='hostedcollection',
            name='retention',
            field=models.CharField(choices=[('nothing', 'No pictures, only their ids'), ('thumbnails', 'Small pictures'), ('originals', 'Small pictures and the original files')], db_column='keeps', db_default='nothing', default='nothing', max_length=10, verbose_name='retained pictures'),
        ),
    ]
