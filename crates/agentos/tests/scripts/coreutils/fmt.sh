echo 'the quick brown fox jumps over' | fmt -w 15; printf 'a b\n\nc\nd\n' | fmt
