"""A worker of `reflexio serve --workers` with a deterministic embedding model, for `python -m` by its supervisor."""

from reflexio_server.processes.worker import main

from tests.end_to_end.stand.age_limits import apply_age_limits_often
from tests.end_to_end.stand.model import use_the_deterministic_model

if __name__ == "__main__":
    use_the_deterministic_model()
    apply_age_limits_often()
    main()
