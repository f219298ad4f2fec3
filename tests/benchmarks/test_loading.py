from benchmarks.loading import main


def test_a_line_for_each_kind_of_work(capsys):
    sizes = ["--images", "16", "--photos", "8", "--side", "32", "--batch-size", "8", "--rounds", "1"]
    main(["--loaders", "0", "1", *sizes])
    augmented, decoded, header, *lines = capsys.readouterr().out.splitlines()
    assert augmented.startswith("8 photos augmented: ")
    assert decoded.startswith("8 photos decoded: ")
    assert header.split()[-4:] == ["0", "loaders", "1", "loaders"]
    assert [line[:20].strip() for line in lines] == [
        "training, augmented",
        "training, decoding",
        "decoding alone",
    ]
    assert all(float(number) > 0 for line in lines for number in line[20:].split())
