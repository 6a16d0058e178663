"""The providers' APIs as their pages and recordings describe them: one host for all, for tests and demos.

``python -m tests.stubs --port 8199`` serves them. A provider's module (``barentswatch``, ``noaa``, …) has
``routes(world)``: Starlette routes with whole paths, ``/<provider>/<host>/…``, where provider and host are
those of ``headgate.sources``; so ``http://127.0.0.1:8199/noaa_cdo/api`` stands for that host's base address.
"""
