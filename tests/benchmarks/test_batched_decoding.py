from benchmarks.batched_decoding import main


def test_a_line_for_every_number_of_photos(capsys):
    main(["--photos", "1", "2", "--beam", "2", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["1", "2"]
    assert all(float(line.split()[3]) > 0 for line in lines[2:])
