#!/usr/bin/env bash
# Guess: pandas.read_hdf of a frame of numbers runs no code that is in the file: pickles are used for columns of Python
# objects alone, and there are none.
#
# Found with pandas 2.3.3 and tables 3.11.1: an attribute of any name on the frame's group is unpickled as the group is
# opened, whether pandas looks for it or not, since PyTables takes bytes that end in a full stop for a pickle. So an HDF5
# file of DeepLabCut from somebody else is a program. h5py does not do that: look through the attributes with it first,
# for pickles that look up a name (pickletools.genops).
#
# Output seen:
#   1 row read; code ran: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pandas==2.3.3 tables==3.11.1 numpy==2.2.6
cd "$folder"
cat > run.py <<'PY'
import os

import pandas
import tables


class Code:
    def __reduce__(self):
        return (os.mkdir, ("ran",))


pandas.DataFrame([[1.5, 2.0]], columns=["x", "y"]).to_hdf("frame.h5", key="frame", mode="w")
with tables.open_file("frame.h5", "a") as file:
    file.root.frame._v_attrs.remark = Code()
assert not os.path.exists("ran")
rows = len(pandas.read_hdf("frame.h5"))
print(rows, "row read; code ran:", os.path.exists("ran"))
assert rows == 1 and os.path.exists("ran")
PY
"$folder/venv/bin/python" -W ignore run.py
echo "As described."
