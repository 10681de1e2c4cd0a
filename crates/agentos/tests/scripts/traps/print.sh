trap 'echo x' INT; trap "echo 'q'" HUP; trap -p INT HUP; trap - INT; trap -p INT; echo end
