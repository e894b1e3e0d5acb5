#!/bin/sh
# What `make infra.*` does: init, plan, apply, output, destroy or check. With YES=1 nothing is asked.
set -eu
part=$1
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here/infra/terraform"

stop() {
  echo "infra.$part stopped: $1" >&2
  exit 1
}

command -v terraform >/dev/null || stop "there is no terraform; install 1.11 or newer (developer.hashicorp.com/terraform/install)"

# GitHub Actions names the repository and its numbers by itself.
[ -z "${GITHUB_REPOSITORY:-}" ] || export TF_VAR_github_repository="${TF_VAR_github_repository:-$GITHUB_REPOSITORY}"
[ -z "${GITHUB_REPOSITORY_OWNER_ID:-}" ] || export TF_VAR_github_owner_id="${TF_VAR_github_owner_id:-$GITHUB_REPOSITORY_OWNER_ID}"
[ -z "${GITHUB_REPOSITORY_ID:-}" ] || export TF_VAR_github_repository_id="${TF_VAR_github_repository_id:-$GITHUB_REPOSITORY_ID}"
# A variable of the repository that nobody has set comes as an empty text.
[ -n "${TF_VAR_region:-}" ] || unset TF_VAR_region
export TF_IN_AUTOMATION=1

approve=
[ "${YES:-}" != 1 ] || approve=-auto-approve

prepared() {
  [ -e backend.hcl ] || stop "it is not known where the state is; type: make infra.init"
  [ -e terraform.tfvars ] || [ -n "${TF_VAR_github_repository:-}" ] ||
    stop "which repository may take the roles? Copy infra/terraform/terraform.tfvars.example to terraform.tfvars and fill it in"
}

case $part in
init)
  if [ -n "${TF_STATE_BUCKET:-}" ]; then
    printf 'bucket = "%s"\nregion = "%s"\n' "$TF_STATE_BUCKET" "${AWS_REGION:-us-east-1}" >backend.hcl
  elif [ ! -e backend.hcl ]; then
    echo "There is no bucket for the state yet. This makes it; everything else comes with make infra.apply."
    values=
    [ ! -e terraform.tfvars ] || values=-var-file=../terraform.tfvars
    terraform -chdir=state init -input=false -lockfile=readonly >/dev/null
    # shellcheck disable=SC2086 # nothing, or one word
    terraform -chdir=state apply -compact-warnings $values $approve
    printf 'bucket = "%s"\nregion = "%s"\n' "$(terraform -chdir=state output -raw bucket)" "$(terraform -chdir=state output -raw region)" >backend.hcl
  fi
  terraform init -input=false -lockfile=readonly -reconfigure -backend-config=backend.hcl
  ;;
plan)
  prepared
  terraform plan -input=false -lock="${LOCK:-true}" -out=potato.tfplan
  ;;
apply)
  prepared
  if [ -e potato.tfplan ]; then
    # What was read is what is done. A plan is good for one time, and Terraform refuses one that came to be out of date.
    mv potato.tfplan applied.tfplan
    terraform apply -input=false applied.tfplan
  else
    # shellcheck disable=SC2086
    terraform apply $approve
  fi
  ;;
output)
  prepared
  terraform output -raw github_commands
  sed -n 's/^bucket = "\(.*\)"$/\ngh variable set TF_STATE_BUCKET --body \1/p' backend.hcl
  ;;
destroy)
  prepared
  echo "Buckets that hold something and the table are kept unless protect = false was applied before:"
  echo "  TF_VAR_protect=false make infra.apply && TF_VAR_protect=false make infra.destroy"
  # shellcheck disable=SC2086
  terraform destroy $approve
  ;;
check)
  # In a place of its own: what `make infra.init` prepared stays as it is.
  export TF_DATA_DIR=.terraform/check
  terraform fmt -check -recursive -diff || stop "type: terraform -chdir=infra/terraform fmt -recursive"
  for root in . state; do
    terraform -chdir=$root init -backend=false -input=false -lockfile=readonly >/dev/null
    terraform -chdir=$root validate
  done
  terraform test
  LOG_LEVEL=ERROR "$here/.setup/checkov-env/bin/checkov" --directory . --framework terraform --quiet --compact --skip-download \
    --skip-path '\.terraform' || stop "mend it, or skip the check in place with its reason: #checkov:skip=ID:reason"
  ;;
*)
  stop "there is no such part"
  ;;
esac
