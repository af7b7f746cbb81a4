"""What the server tells its operators: metrics and traces, in OpenTelemetry's terms. Off unless configured.

Whatever is measured is measured with the instruments of `metrics` and `tracing`, which cost next to nothing until
`export.exporting` has connected them to somebody who listens.
"""
