"""``--engine``: which engine an image gets, and which it is refused."""

import pytest

from seatrial.core.errors import ConfigError
from seatrial.engines.docker import DockerEngine
from seatrial.engines.process import ProcessEngine
from seatrial.platform.engine_choice import EngineChoice, Engines

PROGRAM, IMAGE = "file:///srv/program", "iris:latest"


@pytest.mark.parametrize("choice", [EngineChoice.AUTO, EngineChoice.PROCESS])
def test_program_directory_is_a_process(choice: EngineChoice) -> None:
    engines = Engines(choice)

    assert isinstance(engines.engine_for(PROGRAM), ProcessEngine)
    assert engines.engine_for(PROGRAM) is engines.engine_for(PROGRAM)


@pytest.mark.parametrize("choice", [EngineChoice.AUTO, EngineChoice.DOCKER])
def test_image_runs_in_docker(choice: EngineChoice) -> None:
    assert isinstance(Engines(choice).engine_for(IMAGE), DockerEngine)


@pytest.mark.parametrize(("choice", "image"), [(EngineChoice.PROCESS, IMAGE), (EngineChoice.DOCKER, PROGRAM)])
def test_image_of_the_excluded_kind_is_refused_with_the_option(choice: EngineChoice, image: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Engines(choice).engine_for(image)
    assert caught.value.code == "engine-excluded"
    assert image in caught.value.sentence()
    assert f"--engine {choice.value}" in caught.value.sentence()
