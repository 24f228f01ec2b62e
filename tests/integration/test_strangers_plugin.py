import pytest
from pathlib import Path
from tests.strangers import pages
from tests.strangers.environment import *
from tests.strangers.walk import walk
def test_x(tmp_path: Path) -> None:
    import time
    t=time.time()
    (tmp_path/"w").mkdir()
    w=build_ours(tmp_path/"w"); print(time.time()-t)
    e=make_environment(tmp_path/"env", w); print(time.time()-t)
    f=tmp_path/"streamkit-parrot"; f.mkdir()
    print(walk(pages.ROOT/"docs/tutorials/your-first-provider.md",f,e,"8765"))
    print(time.time()-t)
