cat 3<<EOF <&3
on three
EOF
