"""The collector: takes runs so that none is lost, judges them, keeps them and shows them."""
