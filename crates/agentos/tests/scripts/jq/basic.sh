echo '{"a":1,"b":[1,2,{"c":"x"}]}' > j; jq .a j; jq -c .b j; jq -r '.b[2].c' j; jq '.b|length' j; jq -c keys j; jq '.none' j; jq -e .none j > /dev/null; echo $?
