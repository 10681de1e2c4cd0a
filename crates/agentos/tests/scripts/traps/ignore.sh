trap '' TERM; kill -TERM $$; echo survived; trap - TERM; trap -p TERM; echo end
