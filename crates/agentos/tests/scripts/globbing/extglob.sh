shopt -s extglob; touch a.txt b.txt c.md d; echo *.@(txt|md) !(*.*) +([a-b]).txt ?(c).md @(a|d)*
