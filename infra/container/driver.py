"""What Spark's driver runs on a cluster: the whole pipeline.

The notebooks' kernels are processes below this one. They inherit the address of the driver's JVM (PYSPARK_GATEWAY_PORT
and _SECRET), so their Spark sessions are the driver's, with its executors.
"""

import subprocess
import sys

sys.exit(subprocess.run(sys.argv[1:] or ["dvc", "repro"], check=False).returncode)
