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
        ("Temperatur °C;Größe\n10,1;3\n10,3;4\n".encode("cp1252"), "CP1252"),
        ("fecha;año;niño\n1;2;3\n".encode("cp1252"), "CP1252"),
        (
            "Ten film był świetny i bardzo śmieszny, żałuję, że nie był dłuższy".encode("cp1250"),
            "CP1250",
        ),
        ("Film çok güzeldi, ağladım ve güldüm".encode("cp1254"), "CP1254"),
        ("Η ταινία ήταν υπέροχη και πολύ αστεία".encode("cp1253"), "CP1253"),
        (("הסרט היה נהדר ומצחיק מאוד, " * 5).encode("cp1255"), "CP1255"),
        ("كان الفيلم رائعا ومضحكا جدا".encode("cp1256"), "CP1256"),
    ],
)
def test_the_command_that_converts_a_text_names_its_encoding(content, name):
    """As `iconv` calls it, and a few words show whether it is right."""
    advice = conversion(content)
    assert f"iconv -f {name} -t UTF-8" in advice
    assert advice.split("“")[1].split("”")[0] in content.decode(name)


def test_one_bad_line_in_utf8_is_not_another_encoding():
    """Converting it would spoil all others."""
    assert "iconv -c -f UTF-8" in conversion(b"caf\xe9 \n" + "très bon café, crème".encode())


def test_what_is_no_text_is_not_converted():
    """A picture, say."""
    assert conversion(b"\x89PNG\r\n\x1a\n\x00" + bytes(range(256)) * 4) == (
        "save it as a text file in UTF-8."
    )
