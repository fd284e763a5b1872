#!/usr/bin/env bash
# Guess: an error that a dataset raises reaches the loop over monai.data.ThreadDataLoader, as it does with DataLoader,
# since it is a subclass whose samples only come from another thread.
#
# Found with MONAI 1.6.1 (torch 2.13.0): it does not. The thread that fills the buffer dies, threading prints its
# traceback, and the loop ENDS AS IF THE SET WERE AT ITS END: no exception, fewer batches than len(loader). An engine
# counts the epoch as done, and a command over a folder ends with exit status 0 and without the rest of its results.
# Count the batches, or catch errors inside the dataset.
#
# Output seen:
#   DataLoader raised ValueError after 2 of 5 batches
#   ThreadDataLoader ended without an error after 2 of 5 batches
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 monai==1.6.1 numpy==2.3.4
"$folder/venv/bin/python" -W ignore - 2>"$folder/stderr" <<'PY'
from monai.data import DataLoader, ThreadDataLoader
from torch.utils.data import Dataset


class Samples(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index == 5:
            raise ValueError("sample 5 cannot be read")
        return index


outcomes = {}
for kind in (DataLoader, ThreadDataLoader):
    loader, count, ended = kind(Samples(), batch_size=2), 0, "ended without an error"
    try:
        for _ in loader:
            count += 1
    except ValueError:
        ended = "raised ValueError"
    outcomes[kind.__name__] = (ended, count, len(loader))
    print(kind.__name__, ended, "after", count, "of", len(loader), "batches")
assert outcomes == {
    "DataLoader": ("raised ValueError", 2, 5),
    "ThreadDataLoader": ("ended without an error", 2, 5),
}, outcomes
PY
grep -q "sample 5 cannot be read" "$folder/stderr"
echo "As described; the only trace is what threading printed."
