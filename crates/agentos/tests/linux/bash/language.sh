# The shell's own language.
x=5; echo $((x * 2)) ${x:+set} ${y:-unset}; a=(1 "two words" 3); echo "${#a[@]} ${a[1]}"; declare -A m=([k]=v [l]=w); echo "${m[k]} ${#m[@]}"
f() { local x=in; echo "$x $1 $#"; return 3; }; f "a b"; echo $? $x; for i in {1..3}; do printf '%s,' $i; done; echo
case hello in h*o) echo matched;; *) echo no;; esac; [[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
cat <<< here; cat <<'X' | tr a-z A-Z
doc $x
X
echo ${x/5/six} ${HOME##*/} "$(echo sub)" `echo back`; set -- a b c; shift; echo $@; IFS=:; p="a:b:c"; for q in $p; do echo -n "$q "; done; unset IFS; echo
trap 'echo exiting' EXIT; trap 'echo usr1' USR1; kill -USR1 $$; (trap - EXIT; exit 4); echo $?; set -o pipefail; false | true; echo $?; set +o pipefail
! true; echo $?; { echo group; } > g; cat g; echo err >&2; exec 3> three; echo to3 >&3; exec 3>&-; cat three; printf -v v '%03d' 7; echo $v
seq 3 > s; mapfile -t lines < s; echo ${lines[2]}; coproc cat; echo co >&${COPROC[1]}; read -r r <&${COPROC[0]}; echo $r; eval "exec ${COPROC[1]}>&-"; wait $COPROC_PID
echo $(< g) ${PIPESTATUS[@]} ${#BASHPID} | wc -w; type -t cd echo ls f; command -v printf; hash -r; echo {a,b}{1,2}; shopt -s extglob nullglob
echo *.none !(g); TIMEFORMAT=timed; time true
sleep 0.01 & wait $!; echo $?; (sleep 60 & kill $!; wait $!; echo $?) 2>/dev/null; jobs; ulimit -n > /dev/null; umask; [ -f g -a -r g ]; echo $?; test -x g; echo $?; nosuchcommand; echo $?; ./g; echo $?; /tmp; echo $?
