f() { false; echo continued; }; (set -e; f); echo $?; (set -e; f || echo guarded); echo $?
