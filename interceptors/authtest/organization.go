package authtest

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// InOrganization makes the token one of a user who acts in an organization.
// Permissions are written feature:permission, such as invoices:read, and the
// role by its bare name, such as admin; an org: before either is taken off.
//
// In a session token of version 2 the permissions become the bit masks of
// Clerk's o.per and o.fpm over the features in fea. Features that the token had
// before stay, so With("fea", "u:gold") goes before InOrganization. In any
// other token they are the org_… claims of version 1.
//
// It panics on a permission without a colon.
func InOrganization(id, slug, role string, permissions ...string) Edit {
	role = strings.TrimPrefix(role, "org:")
	return func(d *Draft) {
		if d.Claims["v"] == nil {
			d.Claims["org_id"] = id
			d.Claims["org_slug"] = slug
			d.Claims["org_role"] = "org:" + role
			d.Claims["org_permissions"] = prefixed(permissions)
			return
		}
		organization := map[string]any{"id": id, "slg": slug, "rol": role}
		if len(permissions) > 0 {
			known, _ := d.Claims["fea"].(string)
			d.Claims["fea"], organization["per"], organization["fpm"] = encodePermissions(known, permissions)
		}
		d.Claims["o"] = organization
	}
}

// prefixed returns the permissions as version 1 writes them.
func prefixed(permissions []string) []string {
	full := make([]string, 0, len(permissions))
	for _, permission := range permissions {
		feature, name := splitPermission(permission)
		full = append(full, "org:"+feature+":"+name)
	}
	return full
}

// encodePermissions returns the claims fea, o.per and o.fpm. The mask of the
// i-th feature is the i-th number in fpm, and bit j of it stands for the j-th
// name in per.
func encodePermissions(known string, permissions []string) (fea, per, fpm string) {
	var features, names []string
	if known != "" {
		features = strings.Split(known, ",")
	}
	masks := make(map[string]*big.Int)
	for _, permission := range permissions {
		feature, name := splitPermission(permission)
		feature = "o:" + feature
		features = appendNew(features, feature)
		names = appendNew(names, name)
		if masks[feature] == nil {
			masks[feature] = new(big.Int)
		}
		masks[feature].SetBit(masks[feature], slices.Index(names, name), 1)
	}
	numbers := make([]string, len(features))
	for i, feature := range features {
		numbers[i] = "0"
		if mask := masks[feature]; mask != nil {
			numbers[i] = mask.String()
		}
	}
	return strings.Join(features, ","), strings.Join(names, ","), strings.Join(numbers, ",")
}

func appendNew(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

func splitPermission(permission string) (feature, name string) {
	feature, name, found := strings.Cut(strings.TrimPrefix(permission, "org:"), ":")
	if !found {
		panic(fmt.Sprintf("authtest: permission %q: write it feature:permission, such as invoices:read", permission))
	}
	return feature, name
}
