# 2,000 files: added, packed, cloned, checked out.
# needs: git
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q -b main r; cd r; for d in $(seq 20); do mkdir $d; for f in $(seq 100); do echo "$d $f" > $d/$f; done; done
git add .; git commit -qm all; git rev-parse HEAD; git gc -q; git count-objects -v | grep -E 'count|in-pack|packs'; git status --short | wc -l
rm -rf 1 2 3; git status --short | wc -l; git checkout -q .; git status --short | wc -l; git clone -q . ../c; git -C ../c ls-files | wc -l; find ../c -name '[0-9]*' -type f -not -path '*/.git/*' | wc -l
git -C ../c fsck --full; cd ..; rm -rf r c
