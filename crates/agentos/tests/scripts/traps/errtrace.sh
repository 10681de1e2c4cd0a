set -E; trap 'echo E' ERR; f() { false; echo in; }; f; echo out
