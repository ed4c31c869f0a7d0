package policies_test

import (
	"slices"
	"testing"

	"github.com/changegate/changegate/internal/backtest"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/policies"
)

func parseDefault(t *testing.T) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(policies.DefaultSource, policies.Default())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDefaultCarriesOPS01 holds the default to the control's table.
func TestDefaultCarriesOPS01(t *testing.T) {
	p := parseDefault(t)
	want := map[change.Category]map[string]int{
		change.HighRisk: {"reviewer": 2, "tech-lead": 1}, change.Normal: {"reviewer": 1}, change.Standard: {"reviewer": 1},
	}
	for category, approvals := range want {
		c := p.Categories[category]
		if len(c.Approvals) != len(approvals) || c.SecurityReview != (category == change.HighRisk) {
			t.Errorf("%v is %+v", category, c)
		}
		for _, a := range c.Approvals {
			if a.Count != approvals[a.Role] {
				t.Errorf("%v asks for %d of %s", category, a.Count, a.Role)
			}
		}
	}
	for role, permission := range map[string]change.Permission{
		"tech-lead": change.PermissionMaintain, "security": change.PermissionAdmin, "incident": change.PermissionAdmin,
	} {
		if p.Roles[role].Fallback != permission {
			t.Errorf("%s falls back to %v", role, p.Roles[role].Fallback)
		}
	}
	if len(p.Checks) != 0 {
		t.Errorf("the default requires checks that a repository may not have: %v", p.Checks)
	}
	var triggers []string
	for _, tr := range p.Security.Triggers {
		triggers = append(triggers, tr.Name)
	}
	if want := []string{"authentication", "cryptography", "data access or privacy", "production security control", "third-party integration"}; !slices.Equal(triggers, want) {
		t.Errorf("triggers are %q", triggers)
	}
}

// TestDefaultKnowsEcosystems says what one changed file makes of a change by a person.
func TestDefaultKnowsEcosystems(t *testing.T) {
	p := parseDefault(t)
	tests := map[change.Category][]string{
		change.HighRisk: {
			"db/migrate/20260102_add_index.rb", "engines/billing/db/migrate/1.rb", "db/schema.rb", "db/structure.sql", // Rails
			"shop/orders/migrations/0007_status.py", "alembic/versions/ab12_x.py", // Django, SQLAlchemy
			"internal/store/migrations/0003.up.sql", "db/schema.sql", // Go
			"prisma/migrations/1/migration.sql", "prisma/schema.prisma", "src/migrations/1-a.ts", // Node
			"src/main/resources/db/migration/V12__orders.sql", "src/main/resources/db/changelog/1.xml", "src/main/resources/V1__x.sql", // Java
			"database/migrations/2026_01_01_create_users.php", "src/Migrations/Version1.php", // PHP
			"infra/iam.tf", "terraform/vpc/main.tf", "modules/rds/main.tf", "production/rds.tfvars", "infra/app_secrets.tf", "Infra/IAM.TF",
			"charts/shop/templates/deployment.yaml", "charts/shop/values.yaml", "k8s/ingress.yml", "deploy/kustomization.yaml",
			".github/workflows/release.yml", ".github/actions/build/action.yml", ".gitlab-ci.yml", "Jenkinsfile", ".circleci/config.yml",
			"CODEOWNERS", ".github/CODEOWNERS", ".github/change-policy.yml", ".gitattributes", ".gitmodules",
		},
		change.Normal: {
			"app/models/order.rb", "orders/views.py", "cmd/shop/main.go", "src/index.ts", "src/main/java/Shop.java", "src/Controller/Shop.php",
			"go.mod", "package-lock.json", "infra/outputs.tf", "staging/app.tfvars", "README", "docs.go", "app/views/orders/show.html.erb",
			"internal/NOTICE_handler.go", "lib/AUTHORS.rb", "LICENSE-check.sh", "CHANGELOG/run.py", "src/LICENSE.ts",
		},
		change.Standard: {"README.md", "docs/install.rst", "docs/img/a.png", "LICENSE", "vendor/x/LICENSE-MIT", "NOTICE.txt", "AUTHORS", "AUTHORS.rst", "CHANGELOG.md", ".github/ISSUE_TEMPLATE/bug.yml"},
	}
	for category, paths := range tests {
		for _, path := range paths {
			if got := classify(p, false, path); got.Category != category {
				t.Errorf("%s is %v, want %v", path, got.Category, category)
			}
		}
	}
	for _, path := range []string{
		"go.mod", "frontend/package.json", "Gemfile.lock", ".github/workflows/ci.yml", "Dockerfile", "infra/main.tf", "modules/rds/main.tf", "charts/x/Chart.yaml",
	} {
		if got := classify(p, true, path); got.Category != change.Standard {
			t.Errorf("%s by a trusted bot is %v", path, got.Category)
		}
	}
	for _, path := range []string{"main.go", "db/migrate/1.rb", ".github/CODEOWNERS"} {
		if got := classify(p, true, "go.mod", path); got.Category == change.Standard {
			t.Errorf("%s by a trusted bot is %v", path, got.Category)
		}
	}
}

func classify(p *policy.Policy, bot bool, paths ...string) backtest.Outcome {
	pull := backtest.Pull{Repository: "acme/shop", Number: 1, AuthorIsBot: bot}
	for _, path := range paths {
		pull.Files = append(pull.Files, change.File{Path: path, Status: change.FileModified, Additions: 1, Deletions: 1})
	}
	return backtest.Classify(p, pull)
}

// TestDefaultTriggers says which paths and lines ask for a security review, and which look like it and do not.
func TestDefaultTriggers(t *testing.T) {
	tests := []struct {
		trigger      string
		paths, lines []string
	}{
		{"authentication", []string{
			"app/controllers/sessions_controller.rb", "app/controllers/concerns/authentication.rb", "app/policies/order_policy.rb", "app/models/user.rb",
			"shop/auth/backends.py", "netbox/users/models/tokens.py", "netbox/middleware.py", "internal/auth/token.go", "pkg/oauth/server.go",
			"src/auth/guard.ts", "lib/passkeys.ts", "src/main/java/acme/SecurityConfig.java", "app/Policies/OrderPolicy.php", "server/user_permissions.go",
		}, []string{
			"  skip_before_action :authenticate_user!", "@login_required", "    permission_classes = [IsAdmin]", "  @PreAuthorize(\"hasRole('ADMIN')\")",
			"jwt.verify(token, key)", "Gate::define('update', fn () => true);", "  protect_from_forgery except: :hook", "user.has_perm('x')", `"golang.org/x/oauth2"`,
		}},
		{"cryptography", []string{"internal/crypto/seal.go", "lib/encryption.rb", "certs/ca.pem", "config/credentials.yml.enc", "src/tls/server.ts"}, []string{
			`	"crypto/aes"`, "import hmac", "from cryptography.fernet import Fernet", "OpenSSL::Cipher.new('aes')", "import javax.crypto.Cipher;",
			"const c = require('crypto')", "import { createHash } from 'node:crypto'", "$h = md5($password);", "InsecureSkipVerify: true,", "requests.get(u, verify=False)",
			"-----BEGIN RSA PRIVATE KEY-----", "  encrypts :email",
		}},
		{"data access or privacy", []string{"app/models/family/data_exporter_privacy.rb", "lib/gdpr/erase.py", "config/initializers/filter_parameter_logging.rb"}, []string{
			"ssn: string", "date_of_birth = models.DateField()", "GRANT SELECT ON orders TO reporting;", "Order.unscoped.find(1)", "User.find_by_sql(q)",
		}},
		{"production security control", []string{"infra/iam.tf", "infra/waf.tf", "k8s/network-policy.yaml", "policies/deny.rego", "config/initializers/rack_attack.rb"}, nil},
		{"third-party integration", []string{"app/webhooks/github.rb", "server/webhooks/slack.go", "app/models/plaid_item.rb", "src/integrations/crm.ts", "lib/stripe_client.py"}, nil},
	}
	p := parseDefault(t)
	fires := func(trigger *policy.Trigger, line string) bool {
		for _, re := range trigger.Content {
			if re.MatchString(line) {
				return true
			}
		}
		return false
	}
	for _, tt := range tests {
		i := slices.IndexFunc(p.Security.Triggers, func(tr *policy.Trigger) bool { return tr.Name == tt.trigger })
		trigger := p.Security.Triggers[i]
		for _, path := range tt.paths {
			if trigger.Paths.Find(path) < 0 {
				t.Errorf("%s does not trigger %s", path, tt.trigger)
			}
		}
		for _, line := range tt.lines {
			if !fires(trigger, line) {
				t.Errorf("%q does not trigger %s", line, tt.trigger)
			}
		}
	}
	for _, tr := range p.Security.Triggers {
		for _, path := range []string{
			"app/models/author.rb", "docs/authentication.md", "app/views/sessions/new.html.erb", "config/locales/devise.en.yml", "lib/tokenizer.py",
			"src/keyboard.ts", "README.md", "assets/passwords.png", "infra/main.tf", "app/helpers/orders_helper.rb",
		} {
			if tr.Paths.Find(path) >= 0 {
				t.Errorf("%s triggers %s", path, tr.Name)
			}
		}
		for _, line := range []string{
			"# the author of this section", "t('sessions.new.title')", "password = params[:password]", "def encrypts_nothing", "const token = tokens[i]",
			"SELECT * FROM orders", "sha = commit.hexsha", "it 'grants all wishes'", "from django.db import models", `import "crypto"`,
		} {
			if fires(tr, line) {
				t.Errorf("%q triggers %s", line, tr.Name)
			}
		}
	}
}

func TestCopies(t *testing.T) {
	policies.Default()[0] = 'x'
	if policies.Default()[0] == 'x' {
		t.Error("a caller can change the default policy")
	}
	if len(policies.Schema()) < 1000 {
		t.Error("there is no schema")
	}
}
