import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('visualsnoop', '0004_requested_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Resolution',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=255, verbose_name='model')),
                ('label', models.CharField(blank=True, max_length=255, verbose_name='label')),
                ('user', models.CharField(blank=True, max_length=255, verbose_name='user')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='resolved at')),
                ('expires_at', models.DateTimeField(verbose_name='can be undone until')),
                ('restored_at', models.DateTimeField(null=True, verbose_name='undone at')),
                ('kept', models.TextField(blank=True, verbose_name='kept row')),
                ('removed', models.TextField(verbose_name='removed rows')),
                ('snapshot', models.TextField(editable=False)),
                ('delete_files', models.BooleanField(default=False)),
            ],
            options={
                'verbose_name': 'resolved group',
                'verbose_name_plural': 'resolved groups',
                'db_table': 'visualsnoop_resolution',
                'indexes': [models.Index(fields=['expires_at'], name='visualsnoop_expires')],
            },
        ),
    ]
