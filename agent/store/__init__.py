"""Everything on disk: the journal, the recordings, the photos, the results of tuning.

No other room may use the names of files in the state folder. Imported by app, commands, conversation, device_watch,
record, service, tools and tuning. Doors: ``store.Store``, ``journal.Journal`` (read-only elsewhere), ``rows``,
``layout.Layout``, ``erasing``, ``folder.folder_of``, ``errors.StorageError``, ``tunings``; for the job record also
``wav`` and ``files.replacing``.
"""
