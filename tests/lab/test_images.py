import pytest

from moorage.lab.images import Refused, base_name, command_of
from moorage.lab.launch import ECHO
from moorage.model.pods import Container
from moorage.model.reason import Reason


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("moorage/echo", "moorage/echo"),
        ("moorage/echo:1.2", "moorage/echo"),
        ("docker.io/moorage/echo:latest", "moorage/echo"),
        ("registry.example:5000/moorage/echo@sha256:abc", "moorage/echo"),
        ("nginx:1.27", "nginx"),
        ("other/moorage/echo", "other/moorage/echo"),
    ],
)
def test_an_image_is_known_by_its_name_alone(image: str, name: str) -> None:
    assert base_name(image) == name


def test_echo_runs_its_program_with_the_arguments_of_the_container() -> None:
    assert command_of(Container(image="moorage/echo:v2", args=("--port", "80"))) == (*ECHO, "--port", "80")


def test_a_command_replaces_the_program() -> None:
    assert command_of(Container(image="moorage/echo", command=("sleep",), args=("9",))) == ("sleep", "9")
    assert command_of(Container(image="moorage/host", command=("sleep",), args=("9",))) == ("sleep", "9")


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (Container(image="nginx"), 'cannot run the image "nginx"'),
        (Container(image="nginx", command=("sleep",)), "Use moorage/echo, or image moorage/host"),
        (Container(image="moorage/host"), "give the container a `command`"),
        (Container(), "cannot run the image"),
    ],
)
def test_what_cannot_be_run_says_what_to_do(container: Container, words: str) -> None:
    refused = command_of(container)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.IMAGE_NOT_RUNNABLE
    assert words in refused.message
