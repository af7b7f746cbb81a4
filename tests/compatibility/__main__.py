"""`python -m tests.compatibility`: makes golden files for what the released contract has in none. It changes none."""

from google.protobuf.json_format import MessageToJson

from tests.compatibility.golden import FOLDER, RELEASED, not_covered
from tests.compatibility.samples import contract, messages_of, samples

if __name__ == "__main__":
    for described in messages_of(RELEASED, contract(RELEASED)):
        if not_covered(described):
            for name, message in samples(described):
                # A message that has grown since gets a second file.
                fresh = name if not (FOLDER / f"{name}.binpb").exists() else f"{name}+{len(described.fields)}"
                (FOLDER / f"{fresh}.binpb").write_bytes(message.SerializeToString(deterministic=True))
                text = MessageToJson(message, ensure_ascii=False, sort_keys=True)
                (FOLDER / f"{fresh}.json").write_text(f"{text}\n", encoding="utf-8")
                print(f"made {fresh}")
