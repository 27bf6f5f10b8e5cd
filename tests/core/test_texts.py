import pytest

from pipeline.core.texts import conversion

CHINESE = "房间干净，服务很好。位置方便，早餐丰富。" * 5


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CHINESE.encode("gb18030"), "GB18030"),
        (CHINESE.encode("utf-16-le"), "UTF-16LE"),
        (("この映画はとても面白かった。もう一度見たい。" * 5).encode("shift_jis"), "CP932"),
        (("Отличный фильм, смотрел с удовольствием. " * 5).encode("cp1251"), "CP1251"),
        ("Schönes Gerät – läuft für den Preis völlig „okay“".encode("cp1252"), "CP1252"),
    ],
)
def test_the_command_that_converts_a_text_names_its_encoding(content, name):
    """As `iconv` calls it; the ones of Western languages count as one."""
    assert f"iconv -f {name} -t UTF-8" in conversion(content)


def test_what_is_no_text_is_not_converted():
    """A picture, say."""
    assert conversion(b"\x89PNG\r\n\x1a\n\x00" + bytes(range(256)) * 4) == (
        "save it as a text file in UTF-8."
    )
