touch a ab abc b; echo a* ?? [ab] *c; echo none*
