f() { trap 'echo ret' RETURN; echo body; }; f; trap - RETURN
