#!/bin/sh
# spark.sh driver ARGUMENT... | executor: what Spark on Kubernetes starts in a pod; any other command runs in the workspace.
set -eu
SPARK_HOME=$(python -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')
export SPARK_HOME
command=${1:-}
case $command in
driver)
  # Each notebook's kernel starts a JVM of its own, which reads what Spark wrote down for the driver: where the cluster
  # is, which image executors have. A JVM that the whole pipeline shares would keep the first notebook's session.
  shift
  told=
  while [ $# -gt 0 ]; do
    case $1 in
    --properties-file) told="--properties-file $2" && shift 2 ;;
    --*) shift 2 ;;
    *) break ;;
    esac
  done
  main=${1#local://}
  shift
  export PYSPARK_SUBMIT_ARGS="--deploy-mode client --conf spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS $told pyspark-shell"
  exec sh "$(dirname "$0")/workspace.sh" python "$main" "$@"
  ;;
executor)
  # The options that Spark hands over come as SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1 and so on.
  set --
  number=0
  while option=$(printenv "SPARK_JAVA_OPT_$number"); do
    set -- "$@" "$option"
    number=$((number + 1))
  done
  exec java "$@" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$SPARK_HOME/jars/*" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
  ;;
*)
  exec sh "$(dirname "$0")/workspace.sh" "$@"
  ;;
esac
