# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""`hf-elmo publish`: a folder, checked, to a repository on the Hub in one commit that can be repeated.

`source` lists and checks what lies in the folder -> `staging` copies it and adds the code -> `places` finds paths of this
machine -> `card` makes and checks the cards -> `repository` compares with what the repository holds -> `load_check` loads
the copy as a stranger would -> `upload` commits and tags.
"""
