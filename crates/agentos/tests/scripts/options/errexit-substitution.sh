(set -e; x=$(false); echo no); echo $?; (set -e; echo $(false) yes); echo $?; (set -e; local_x() { local y=$(false); echo kept; }; local_x); echo $?
