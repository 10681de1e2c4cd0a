# What the programs work on, in the current directory: 5,000 files, a repository of 2,000, a source file, and packages to install.
set -e
mkdir tree repository
for folder in $(seq 50); do
    mkdir tree/$folder
    for file in $(seq 100); do : > tree/$folder/$file; done
done
for folder in $(seq 20); do
    mkdir repository/$folder
    for file in $(seq 100); do echo "file $file of $folder" > repository/$folder/$file; done
done
if command -v git > /dev/null; then
    export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a
    git -C repository init -q
    git -C repository add .
    git -C repository commit -qm all
fi
if command -v node > /dev/null; then node packages.js; fi
