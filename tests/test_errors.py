from genzoo import errors


def test_every_error_has_the_exit_code_that_the_tree_draws():
    codes = {cls.__name__: cls.exit_code for cls in errors.GenzooError.__subclasses__()}
    assert codes.pop("Interrupted") == 1
    assert codes == {
        "ConfigError": 2,
        "PluginError": 3,
        "DataError": 4,
        "ArtifactError": 4,
        "CheckError": 5,
        "DivergenceError": 6,
        "IncompleteError": 7,
        "LostProcessError": 1,
        "OutOfMemoryError": 1,
    }
    for name, code in codes.items():
        line = next(line for line in errors.__doc__.splitlines() if name in line)
        assert f" {code} " in line
    assert errors.Interrupted("", 143).exit_code == 143


def test_did_you_mean_names_the_nearest_or_all():
    assert errors.did_you_mean("dcgn", ["dcgan", "gmm"]) == "Did you mean 'dcgan'?"
    assert errors.did_you_mean("zzz", ["dcgan", "gmm"]) == "Known: dcgan, gmm."
    assert errors.did_you_mean("zzz", []) == "None is known."


def test_settings_and_data_are_also_value_errors():
    also = {cls.__name__ for cls in errors.GenzooError.__subclasses__() if issubclass(cls, ValueError)}
    assert also == {"ConfigError", "DataError"}
