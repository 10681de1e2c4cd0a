awk 'BEGIN{print x+0, x"", (x==0), (x==""), "10"<"9", 10<9, "a"<"b", 1e3, 0.1+0.2, 1/3, 100000000000}'; echo '10 9' | awk '{print ($1<$2)}'; awk 'BEGIN{exit 3}'; echo $?
