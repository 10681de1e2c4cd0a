# Descriptors, the environment and the working directory go from one kind to the other.
# needs: node python3
echo one > f; exec 3< f; node -e 'process.stdout.write(require("fs").readFileSync(3))'; exec 3<&-
exec 4> out; node -e 'require("fs").writeSync(4, "from node\n")'; echo 'from the shell' >&4; python3 -c 'import os; os.write(4, b"from python\n")'; exec 4>&-; cat out
{ node -e 'console.log("a")'; echo b; python3 -c 'print("c")'; cat f; } > all; cat all; { node -e 'console.error("e")'; echo o; } 2>&1 | sort; { read -r first; python3 -c 'import sys; print(len(sys.stdin.read()))'; } < all
export V='x y'; node -p process.env.V; W=1 python3 -c 'import os; print(os.environ["W"], os.environ["V"])'; env -u V node -p 'process.env.V'; printf 'l1\nl2\nl3\n' | while read -r l; do node -e 'console.log(process.argv[1])' "$l"; done
mkdir -p d/e; cd d/e; node -p 'process.cwd().endsWith("/d/e")'; python3 -c 'import os; os.chdir(".."); print(os.getcwd().endswith("/d"))'; (cd ..; node -e 'require("fs").writeFileSync("w", "w")'); cd ../..; ls d; cat d/w; echo
node -e 'require("child_process").execSync("echo from a shell of node | tr a-z A-Z; ls", { stdio: "inherit" })'; python3 -c 'import subprocess; print(subprocess.run("seq 5 | sort -rn | head -n 2; pwd | sed s,.*/,,", shell=True, capture_output=True, text=True).stdout)'
python3 - <<'X' | sort | uniq -c | tr -s ' '
for w in "b a b".split(): print(w)
X
node <<< 'console.log("here")'; x=$(node -p 6*7); echo $((x + 1)); node -p '"long".repeat(100000)' | wc -c; head -c 3000000 /dev/zero | node -e 'let n = 0; process.stdin.on("data", (d) => n += d.length).on("end", () => console.log(n))' ; yes | python3 -c 'import sys; print(sys.stdin.readline())'
