if true; then
	cat <<-EOF
		two tabs
	one tab
	EOF
fi
