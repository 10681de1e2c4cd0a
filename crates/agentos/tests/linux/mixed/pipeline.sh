# Programs of both kinds in one pipeline.
# needs: node jq python3 git
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
echo 'for (let i = 0; i < 500; i++) console.log(JSON.stringify({ name: "n" + i % 7, i }))' > gen.js
echo 'import sys, collections; print(sorted(collections.Counter(sys.stdin.read().split()).items()))' > count.py
git init -q -b main .
node gen.js | jq .name | python3 count.py > out.txt && git add out.txt
cat out.txt; git commit -qm out; git log --format='%H %s'; git show HEAD:out.txt | wc -c
node gen.js | grep n3 | python3 -c 'import sys; print(len(sys.stdin.readlines()))' | tr -d '\n' | node -e 'process.stdin.on("data", (d) => console.log(d * 2))'
rm -rf .git
