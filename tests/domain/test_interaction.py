"""What of an interaction can be found, and that its actions are those of the contract."""

import pytest
from reflexio.v1.interaction_pb2 import UserAction as ContractAction
from reflexio_server.domain.interaction import NewInteraction, UserAction


@pytest.mark.parametrize(
    ("interaction", "text"),
    [
        (NewInteraction(content="hello"), "User: hello"),
        (NewInteraction(role="Agent", content="hello"), "Agent: hello"),
        (NewInteraction(content="hello", user_action_description="clicked"), "User: hello\nclicked"),
        (NewInteraction(user_action_description="clicked"), "User: clicked"),
        (NewInteraction(content=" \n", user_action_description="clicked"), "User: clicked"),
        (NewInteraction(content=" \t\n"), ""),
        (NewInteraction(user_action=UserAction.CLICK), ""),
        (NewInteraction(shadow_content="another answer", expert_content="a better one"), ""),
    ],
)
def test_what_is_searched(interaction: NewInteraction, text: str):
    assert interaction.searchable_text == text


def test_actions_are_those_of_the_contract():
    ours = {f"USER_ACTION_{action.name}": action.value for action in UserAction}
    assert ours == {name: value for name, value in ContractAction.items() if value != 0}
