import subprocess
from pathlib import Path

import pytest
import zstandard
from pydantic import ValidationError
from tests.plugins.compressors.streams import MIB, packed, unpacked

from vmbackup import Compressor, Settings
from vmbackup.conformance.content import noise
from vmbackup.conformance.packing import content
from vmbackup.testing import CompressorContract
from vmbackup_compressors.zstd.compressor import Zstd, ZstdSettings
from vmbackup_compressors.zstd.packing import FRAME
from vmbackup_compressors.zstd.unpacking import WINDOW


def compressor(**settings: int) -> Zstd:
    return Zstd("zstd", ZstdSettings.model_validate(settings))


class TestContract(CompressorContract):
    @pytest.fixture
    def compressor(self) -> Compressor[Settings]:
        return compressor()


class TestContractWithLongDistances(CompressorContract):
    @pytest.fixture
    def compressor(self) -> Compressor[Settings]:
        return compressor(level=1, threads=3, long=True)


@pytest.mark.parametrize("level", [1, 3, 9, 19])
@pytest.mark.parametrize("more", [{"threads": 1}, {"threads": 4, "long": True}])
def test_zstd_unpacks_every_level_without_options(tmp_path: Path, level: int, more: dict[str, int]) -> None:
    data = content(FRAME + 3 * MIB)
    stream = packed(compressor(level=level, **more), data)
    facts = zstandard.get_frame_parameters(stream)
    assert facts.has_checksum
    assert facts.window_size <= WINDOW
    (tmp_path / "image.zst").write_bytes(stream)
    done = subprocess.run(["zstd", "-q", "-dc", "image.zst"], cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout == data
    assert unpacked(compressor(), stream) == data


def test_long_distances_are_found_within_a_frame() -> None:
    repeated = noise(MIB)
    data = repeated + noise(9 * MIB, "between") + repeated
    usual, long = (len(packed(compressor(level=1, long=long), data)) for long in (False, True))
    assert usual > 11 * MIB
    assert long < 10 * MIB + MIB // 10


@pytest.mark.parametrize(
    "settings", [{"level": 0}, {"level": 20}, {"threads": -1}, {"threads": 65}, {"speed": 1}, {"long": 2}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ZstdSettings.model_validate(settings)
