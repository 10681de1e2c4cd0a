lock() { if mkdir "$1" 2>/dev/null; then echo locked; else echo busy; fi; }; lock l; lock l; rmdir l; lock l
